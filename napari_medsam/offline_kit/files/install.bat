@echo off
rem Install napari-medsam @VERSION@ from this kit: install.bat [FOLDER]
rem FOLDER is where it goes, %LOCALAPPDATA%\napari-medsam-program if not given. No network and no
rem administrator rights are needed.
setlocal EnableExtensions

set "KIT=%~dp0"
set "INTO=%~1"
if "%INTO%"=="" set "INTO=%LOCALAPPDATA%\napari-medsam-program"

rem The first Python this kit has wheels for.
set "PY="
for %%V in (3.11 3.12 3.13) do call :try py -%%V
if not defined PY call :try python
if defined PYTHON call :try "%PYTHON%"
if not defined PY (
    echo napari-medsam: no Python found that this kit is for; see README.txt. 1>&2
    exit /b 1
)

echo napari-medsam: installing into "%INTO%"
if not exist "%INTO%" mkdir "%INTO%"
%PY% -m venv "%INTO%\env"
if errorlevel 1 goto :failed
rem --isolated: no index or mirror that is set up on this machine is asked.
"%INTO%\env\Scripts\python.exe" -m pip --isolated install --quiet --disable-pip-version-check --no-cache-dir --no-index --find-links "%KIT%wheels" --require-hashes --requirement "%KIT%requirements-win_amd64-%TAG%.txt"
if errorlevel 1 goto :failed
rem Not from the output of dir: what it writes lacks the letters that the code page has not.
if exist "%KIT%weights" for /r "%KIT%weights" %%F in (*) do (
    "%INTO%\env\Scripts\napari-medsam.exe" models import "%%F"
    if errorlevel 1 goto :failed
)
rem Its own folder and not its name, for the same reason.
> "%INTO%\napari-medsam.bat" echo @"%%~dp0env\Scripts\napari-medsam.exe" %%*

echo napari-medsam: done. To start: "%INTO%\napari-medsam.bat"
echo To check: "%INTO%\napari-medsam.bat" doctor
exit /b 0

:failed
echo napari-medsam: not installed; the message above says why. 1>&2
exit /b 1

:try
if defined PY exit /b 0
set "TAG="
rem cmd drops the first and the last quote of a command with several. Those two are escaped here, or
rem the brackets of the program would be outside of quotes and end the loop.
for /f "delims=" %%T in ('^""%~1" %~2 -c "import sys; print('cp%%d%%d' %% sys.version_info[:2])" 2^>nul^"') do set "TAG=%%T"
if not defined TAG exit /b 0
if exist "%KIT%requirements-win_amd64-%TAG%.txt" set PY="%~1" %~2
exit /b 0

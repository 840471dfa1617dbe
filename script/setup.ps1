# Prepare everything that script\run.ps1 and script\test.ps1 need: the counterpart of script/setup
# for Windows. Both dot-source this file; it is not run directly.
#
# Set before: $root (the project's folder), $extra (which extras of pyproject.toml to install).
# Set after:  $python (the environment's interpreter).
# Nothing here writes outside the project's folder, except for the model's weights in the user's
# data folder. For Windows PowerShell 5.1 and PowerShell 7. ASCII only, because
# 5.1 reads a file as the system's code page.

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false  # we check exit codes ourselves
Set-StrictMode -Version 2.0
$constraints = Join-Path $root 'constraints.txt'

function Write-Note([string] $Text) {
    # Not to the output stream, which holds results, nor the error stream, which 5.1 colours red.
    [Console]::Error.WriteLine("napari-medsam: $Text")
}

function Exit-Because([string] $Text) {
    Write-Note $Text
    exit 1
}

# The version of a Python command, such as 3.11; '' if it is not a usable Python.
function Get-UsableVersion([string[]] $Command) {
    # Windows has a python.exe that only opens the Store, and py.exe reports missing versions on
    # stderr. In 5.1 a redirected stderr line would be an error under 'Stop'.
    $ErrorActionPreference = 'Continue'
    if (-not (Get-Command $Command[0] -CommandType Application -ErrorAction SilentlyContinue)) {
        return ''
    }
    $rest = @($Command | Select-Object -Skip 1)
    # No double quotes, because 5.1 drops them. 64 bits, because OpenVINO has no 32-bit version.
    $program = 'import sys; print(*sys.version_info[:2], sys.maxsize > 2**32, sep=chr(46))'
    $printed = & $Command[0] @rest -c $program 2>$null | Select-Object -Last 1
    if ($LASTEXITCODE -ne 0) {
        return ''
    }
    if ("$printed" -match '^(3\.1[1-3])\.True$') {
        return $Matches[1]
    }
    return ''
}

function Find-Python {
    $candidates = @()
    if ($env:PYTHON) {
        $candidates += , @($env:PYTHON)
    }
    foreach ($version in '3.11', '3.12', '3.13') {
        $candidates += , @('py', "-$version")
    }
    $candidates += , @('python')
    $candidates += , @('python3')
    foreach ($candidate in $candidates) {
        if (Get-UsableVersion $candidate) {
            return , $candidate
        }
    }
    Exit-Because ('Python 3.11, 3.12 or 3.13 (64 bits) is needed and was not found; install one ' +
        'from python.org, or set the variable PYTHON to its python.exe.')
}

# A checksum of everything that determines the environment: if it changes, the next run installs
# again.
function Get-Fingerprint([string] $Extras) {
    $hashes = (Join-Path $root 'pyproject.toml'), $constraints | ForEach-Object {
        (Get-FileHash -LiteralPath $_ -Algorithm SHA256).Hash
    }
    return (@($hashes) + (& $python --version) + $root + $Extras) -join '|'
}

function Test-UpToDate {
    # The extras of the tests include everything for running.
    foreach ($extras in $extra, 'test,pyqt6') {
        $stamp = Join-Path $root ".venv\installed-$extras"
        if (Test-Path -LiteralPath $stamp) {
            $recorded = Get-Content -LiteralPath $stamp -Encoding UTF8 | Select-Object -First 1
            if ($recorded -eq (Get-Fingerprint $extras)) {
                return $true
            }
        }
    }
    return $false
}

function Initialize-Environment {
    if (-not (Get-UsableVersion @($python))) {
        $base = Find-Python
        $rest = @($base | Select-Object -Skip 1)
        Write-Note 'creating the environment .venv'
        & $base[0] @rest -m venv --clear (Join-Path $root '.venv')
        if ($LASTEXITCODE -ne 0) {
            Exit-Because 'the environment could not be created; the message above gives the reason.'
        }
    }
    if (Test-UpToDate) {
        return
    }
    Write-Note 'installing into .venv (about 350 MB of downloads the first time)'
    & $python -m pip install --quiet --quiet --disable-pip-version-check --no-input `
        --prefer-binary --constraint $constraints --editable "$root[$extra]"
    if ($LASTEXITCODE -ne 0) {
        Exit-Because ("the installation failed; pip's message above gives the reason. " +
            'Without a network: see docs\install.md.')
    }
    Set-Content -LiteralPath (Join-Path $root ".venv\installed-$extra") -Encoding UTF8 `
        -Value (Get-Fingerprint $extra)
}

function Install-Weights {
    & $python -m napari_medsam models install litemedsam --quiet
    if ($LASTEXITCODE -ne 0) {
        Write-Note ('continuing without the weights of LiteMedSAM; ' +
            'commands that need them will report it.')
    }
}

$python = Join-Path $root '.venv\Scripts\python.exe'
Initialize-Environment

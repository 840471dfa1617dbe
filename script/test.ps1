# Install what is missing, then check and test the project on Windows:
#   powershell -ExecutionPolicy Bypass -File script\test.ps1 [pytest arguments]
# With --quick as the first argument: no checks, no windows and no slow tests.
# If a check fails, the tests still run and the exit code is not 0.

$root = Split-Path -Parent $PSScriptRoot
$extra = 'test,pyqt6'
. (Join-Path $PSScriptRoot 'setup.ps1')
Install-Weights
Set-Location -LiteralPath $root

if ($args.Count -gt 0 -and $args[0] -eq '--quick') {
    $rest = @($args | Select-Object -Skip 1)
    & $python -m pytest -q -m 'not gui and not slow' @rest
    exit $LASTEXITCODE
}

$checks = @(
    @('ruff', 'check'),
    @('ruff', 'format', '--check'),
    @('mypy'),
    @('npe2', 'validate', 'napari-medsam')
)
$failed = @()
foreach ($check in $checks) {
    Write-Note "checking: $check"
    & $python -m @check
    if ($LASTEXITCODE -ne 0) {
        $failed += "$check"
    }
}
Write-Note 'checking: lint-imports'
& (Join-Path $root '.venv\Scripts\lint-imports.exe')
if ($LASTEXITCODE -ne 0) {
    $failed += 'lint-imports'
}
if ($failed) {
    Write-Note "failed: $($failed -join ', '); the tests still run, the exit code is not 0."
}

& $python -m pytest @args
$status = $LASTEXITCODE
if (($status -eq 0) -and $failed) {
    $status = 1
}
exit $status

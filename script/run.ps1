# Install what is missing, then run napari-medsam from a checkout on Windows:
#   powershell -ExecutionPolicy Bypass -File script\run.ps1 [arguments]
# Without arguments: open napari with the sample case.

$root = Split-Path -Parent $PSScriptRoot
$extra = 'pyqt6,dicom'
. (Join-Path $PSScriptRoot 'setup.ps1')

# PowerShell turns an unquoted 57,140,101,179 into an array; a box is one argument.
$arguments = @($args | ForEach-Object { if ($_ -is [array]) { $_ -join ',' } else { "$_" } })
if ($arguments.Count -eq 0) {
    $arguments = @('demo')
}
if ('models', 'info', '--help', '--version' -notcontains $arguments[0]) {
    Install-Weights
}
& $python -m napari_medsam @arguments
exit $LASTEXITCODE

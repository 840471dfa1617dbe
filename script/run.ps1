# Run napari-medsam from a checkout on Windows, setting up what is missing first:
#   powershell -ExecutionPolicy Bypass -File script\run.ps1 [arguments]
# Without arguments: napari with the sample case.

$root = Split-Path -Parent $PSScriptRoot
$extra = 'pyqt6,dicom'
. (Join-Path $PSScriptRoot 'setup.ps1')

# PowerShell makes an array of 57,140,101,179 where it is not quoted; a box is one word.
$given = @($args | ForEach-Object { if ($_ -is [array]) { $_ -join ',' } else { "$_" } })
if ($given.Count -eq 0) {
    $given = @('demo')
}
if ('models', 'info', '--help', '--version' -notcontains $given[0]) {
    Install-Weights
}
& $python -m napari_medsam @given
exit $LASTEXITCODE

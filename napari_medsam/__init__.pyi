from napari_medsam.api import batch as batch
from napari_medsam.api import evaluate as evaluate
from napari_medsam.api import predict as predict
from napari_medsam.engine.session import Session as Session
from napari_medsam.formats.images.read import read_image as read_image
from napari_medsam.formats.labels.write import write_labels as write_labels
from napari_medsam.models.loading import open_model as open_model

__version__: str

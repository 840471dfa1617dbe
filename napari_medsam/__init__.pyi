from napari_medsam.api import evaluate as evaluate
from napari_medsam.api import predict as predict
from napari_medsam.api import run_cohort as run_cohort
from napari_medsam.engine.data.prompts import SliceRef as SliceRef
from napari_medsam.engine.data.prompts import box_prompt as box_prompt
from napari_medsam.engine.propagation.propagation_seeds import Seed as Seed
from napari_medsam.engine.session import Session as Session
from napari_medsam.formats.images.read import read_image as read_image
from napari_medsam.formats.labels.write import write_labels as write_labels
from napari_medsam.models.loading import open_model as open_model

__version__: str

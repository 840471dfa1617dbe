"""2D pictures: PNG, JPEG, BMP, TIFF; COCO annotations of them."""

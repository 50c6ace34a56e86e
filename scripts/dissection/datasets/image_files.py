"""What Pillow raises for an image file that is missing, damaged, cut off, or none at all."""

import struct
import zlib

from PIL import Image

IMAGE_FILE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

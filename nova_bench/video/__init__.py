"""Videos and images in and out: decode once to uint8 RGB, write atomically, name what is wrong with a bad file.

Nothing here imports torch, PyAV or Pillow before a file is touched.
"""

from nova_bench.video.clip import Clip, MediaInfo
from nova_bench.video.prefetch import decode_ahead
from nova_bench.video.read import probe, read_clip
from nova_bench.video.write import write_image, write_lossless, write_mp4

__all__ = ["Clip", "MediaInfo", "decode_ahead", "probe", "read_clip", "write_image", "write_lossless", "write_mp4"]

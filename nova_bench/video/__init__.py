"""Reads and writes videos and images: decodes once to uint8 RGB, writes atomically, says what is wrong with a file.

Nothing here imports torch, PyAV or Pillow before a file is opened.
"""

from nova_bench.video.clip import Clip, MediaInfo
from nova_bench.video.decoder import decode_ahead
from nova_bench.video.file import probe
from nova_bench.video.limits import MediaLimits
from nova_bench.video.opening import open_frames
from nova_bench.video.read import read_clip
from nova_bench.video.stream import FrameStream
from nova_bench.video.write import write_image, write_lossless, write_mp4

__all__ = [
    "Clip",
    "FrameStream",
    "MediaInfo",
    "MediaLimits",
    "decode_ahead",
    "open_frames",
    "probe",
    "read_clip",
    "write_image",
    "write_lossless",
    "write_mp4",
]

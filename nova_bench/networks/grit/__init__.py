"""GRiT, which finds objects and describes them in words, without detectron2."""

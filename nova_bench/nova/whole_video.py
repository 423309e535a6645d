def generate_whole_video(*a):
    raise NotImplementedError

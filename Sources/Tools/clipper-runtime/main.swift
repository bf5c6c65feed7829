print("clipper-runtime")

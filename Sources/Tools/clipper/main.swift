print("clipper")

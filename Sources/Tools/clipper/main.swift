internal import Commands

Clipper.main()

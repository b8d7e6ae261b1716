from istsim.cli import main

main()

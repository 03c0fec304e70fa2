"""From pictures and videos to one row per face: find faces, link them over time, run the network, write, draw."""

"""Expression classes, valence, arousal and affective features of faces."""

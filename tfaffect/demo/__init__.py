"""A page that runs a `.tflite` in the browser, and the server that hands it out."""

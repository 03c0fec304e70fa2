"""Pictures and video: what is read from them, and which part of them is a face."""

"""A run: objective, losses, metrics, optimizer, schedule, unfreezing, devices."""

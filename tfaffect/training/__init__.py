"""Training: objective, losses, metrics, optimizer, schedule, unfreezing, devices."""

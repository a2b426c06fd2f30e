"""What pretraining and fine-tuning share: packed rows, the loss, the arguments, templates."""

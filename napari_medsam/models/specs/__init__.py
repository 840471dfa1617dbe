"""What is known of each model: catalogue, input contract, errors."""

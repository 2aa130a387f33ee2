"""Where messages come from and are published to: RabbitMQ, or an embedded log."""

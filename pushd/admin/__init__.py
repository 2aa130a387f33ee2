"""The admin port: health, metrics, publishing over HTTP, dashboard."""

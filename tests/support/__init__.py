"""What several tests share: private servers, clients and fakes."""

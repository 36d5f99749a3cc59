"""The Phagescan Master: a Django project and the Celery nodes around it."""

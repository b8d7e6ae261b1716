class NotCoveredError(ValueError):
    """An exact result was asked for where the engine has no formula; the message says what else there is."""

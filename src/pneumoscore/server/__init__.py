"""The page: films scored, patients followed and studies read blinded, in a browser."""

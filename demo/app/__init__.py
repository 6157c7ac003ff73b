"""A small order application, followed by donewatch: it knows of it nothing but the SDK.

Each module with a ``main`` is a process of its own, ``python -m demo.app.NAME``:
``orders``, ``dispatcher``, ``worker``, ``provider``, ``readmodel``, ``client``.
"""

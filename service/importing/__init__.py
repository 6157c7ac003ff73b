"""Reading files of events and handing them to a collector.

::

    source   a file or standard input, plain or gzip
    ndjson, csv_file   its rows, as batches of events (batch, columns, snapshot)
    door     what takes a batch: a collector over HTTP, or the check alone
    pipeline several batches under way, settled in order
    progress, aside    how far it came, and what was not taken, beside the file
    importer one file from its beginning, or from where it stopped, to its end
"""

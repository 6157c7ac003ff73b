-- What did this collector say last of how far it has come?
SELECT marked_at, flushed_at, segment, retired FROM collector_marks FINAL WHERE collector = {collector:String}

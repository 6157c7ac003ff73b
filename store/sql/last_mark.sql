-- When did this collector write its latest mark?
SELECT max(marked_at) AS marked_at, count() AS marks FROM collector_marks WHERE collector = {collector:String}

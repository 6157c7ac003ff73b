-- Which is the highest segment number that this collector has used?
SELECT greatest((SELECT max(segment) FROM collector_marks WHERE collector = {collector:String}),
                (SELECT max(segment) FROM events WHERE collector = {collector:String})) AS segment

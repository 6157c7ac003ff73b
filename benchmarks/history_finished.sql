arrayConcat(
    [('transition', 0., '', 'submitted', 'submit', '', 1, ''),
     ('outbox', 0.01, '', '', '', 'recorded', 0, ''),
     ('outbox', 0.1 + dice % 500 / 1000, '', '', '', 'dispatched', 0, ''),
     ('job', 0.7, '', '', '', 'enqueued', 0, ''),
     ('transition', 0.75, 'submitted', 'queued', 'enqueue', '', 2, '')],
    -- one in a thousand is paid without having waited for payment, which the definition does not declare
    if(dice % 1000 = 1, [], [('transition', 1. + dice % 1700 / 1000, 'queued', 'payment_pending', 'request_payment', '', 3, '')]),
    [('job', 2.8, '', '', '', 'started', 1, '')],
    if(dice % 100 BETWEEN 10 AND 19,
       [('job', 4., '', '', '', 'failed', 1, 'timeout'), ('job', 4.5, '', '', '', 'started', 2, '')], []),
    if(dice % 100 BETWEEN 20 AND 24,
       [('job', 5., '', '', '', 'exhausted', 4, 'declined'),
        ('transition', 5.1, 'payment_pending', 'failed', 'decline', '', 4, '')],
       [('transition', 5. + dice % 3000 / 1000, if(dice % 1000 = 1, 'queued', 'payment_pending'), 'paid', 'pay', '', 4, ''),
        ('transition', 9. + dice % 2000 / 1000, 'paid', 'completed', 'fulfil', '', 5, ''),
        ('job', 11.1, '', '', '', 'succeeded', 1, ''),
        ('visible', 11.2 + dice % 1000 / 1000, '', '', '', '', 0, '')]))

arrayConcat(
    [('transition', 0., '', 'submitted', 'submit', '', 1, '')],
    if(dice % 1000 = 2, [('outbox', 0.01, '', '', '', 'recorded', 0, '')], []),
    if(dice % 10 = 3, [],
       [('transition', 0.75, 'submitted', 'queued', 'enqueue', '', 2, ''),
        ('transition', 1.5, 'queued', 'payment_pending', 'request_payment', '', 3, '')]))

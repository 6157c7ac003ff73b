{# The path of every instance of one workflow type. Gives `path` (_judged.sql), from one of two sources: worked out from all its
   events, which is the oracle; or from what settlements have written, of which `part` says how much is wanted
   (_settled.sql). `live` and `probes` as in _structure.sql. #}
{% if source == 'settled' %}
{% include '_settled.sql' %},
{% else %}
{% set columns = "event, sequence, from_state, to_state, action, key, outcome, class_, entered_at, workflow_version, service, service_version, actor_type, trace_id" %}
{% include '_events.sql' %},
{% include '_structure.sql' %},
{% endif %}
{% include '_judged.sql' %}

"""Published data sets, as their archives hold them, in; a Broden joined of them out."""

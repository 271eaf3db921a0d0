"""The command line: commands, the sets and measurements that a text means (selection), scores, tables, plots,
recipes of learners."""

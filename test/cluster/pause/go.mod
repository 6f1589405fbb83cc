module lfh-sync-test-pause

go 1.26.0

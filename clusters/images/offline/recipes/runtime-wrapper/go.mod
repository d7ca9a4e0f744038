module harness.invalid/runtime-wrapper

go 1.24

module probe
go 1.23

module qimport

go 1.26

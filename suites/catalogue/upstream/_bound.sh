#include dataset
#include runtime
#include wait

"""What must hold: the scenarios, their checks, the doctor, the benchmark."""

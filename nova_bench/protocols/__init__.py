"""What benchmarks prescribe besides their metrics: prompt lists, numbers of samples, file names and final scores."""

"""What benchmarks prescribe beside their metrics: prompt lists, numbers of samples, file names and final scores."""

"""What the paper's appendix shows, made anew."""

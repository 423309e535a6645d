"""What a report contains: tables, figures, gallery, notices, and its files. Needs no model and no GPU."""

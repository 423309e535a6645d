"""What a report contains: tables, figures, gallery, notices, and where its files lie. Needs no model and no GPU."""

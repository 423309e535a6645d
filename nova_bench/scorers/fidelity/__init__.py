"""Frame-by-frame fidelity to a reference video: PSNR, SSIM, MS-SSIM."""

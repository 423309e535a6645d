"""Frame-by-frame fidelity to a reference video: PSNR, SSIM, MS-SSIM, LPIPS, ST-LPIPS."""

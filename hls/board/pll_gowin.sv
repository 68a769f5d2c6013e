// pll_gowin - a clock of ClockIn * (Feedback + 1) / (Reference + 1) MHz on Gowin GW1N and GW2A.
//
// The oscillator inside runs at the output times Divide.

module pll_gowin #(
  parameter int unsigned Reference = 0,
  parameter int unsigned Feedback  = 0,
  parameter int unsigned Divide    = 8,
  parameter Clock  = "27",        // MHz in, as text
  parameter Device = "GW1NR-9C"
) (
  input  logic clk_i,
  output logic clk_o,
  output logic locked_o
);
  rPLL #(
    .FCLKIN(Clock), .DEVICE(Device), .IDIV_SEL(Reference), .FBDIV_SEL(Feedback), .ODIV_SEL(Divide),
    .DYN_IDIV_SEL("false"), .DYN_FBDIV_SEL("false"), .DYN_ODIV_SEL("false"), .DYN_DA_EN("false"), .PSDA_SEL("0000"),
    .DUTYDA_SEL("1000"), .CLKOUT_FT_DIR(1'b1), .CLKOUTP_FT_DIR(1'b1), .CLKOUT_DLY_STEP(0), .CLKOUTP_DLY_STEP(0),
    .CLKFB_SEL("internal"), .CLKOUT_BYPASS("false"), .CLKOUTP_BYPASS("false"), .CLKOUTD_BYPASS("false"),
    .DYN_SDIV_SEL(2), .CLKOUTD_SRC("CLKOUT"), .CLKOUTD3_SRC("CLKOUT")
  ) pll (
    .CLKIN(clk_i), .CLKOUT(clk_o), .LOCK(locked_o), .CLKOUTP(), .CLKOUTD(), .CLKOUTD3(), .RESET(1'b0), .RESET_P(1'b0),
    .CLKFB(1'b0), .FBDSEL(6'b0), .IDSEL(6'b0), .ODSEL(6'b0), .PSDA(4'b0), .DUTYDA(4'b0), .FDLY(4'b0)
  );
endmodule

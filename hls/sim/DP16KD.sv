// DP16KD - a model of ECP5's block RAM, so that a mapped netlist can be simulated (Yosys has none).
//
// 1024 rows of 18 bits, two ports, each 1, 2, 4, 9, 18 or 36 bits wide; the output is registered by the port's clock.
// Address bits below a word's own are not looked at, but at 18 and 36 bits a write takes address bit i as the enable of
// byte i (9 bits). A word of 36 bits is written by A and read by B through the data pins of both: A low, B high.
// Modelled is what Yosys and hwflow/synth/outreg.py map to: no chip select, clocks as they are. REGMODE OUTREG: one more
// register at the output, with OCE as its enable; a read word of 36 bits has B's.

module DP16KD #(
  parameter logic [319:0] INITVAL_00 = '0, parameter logic [319:0] INITVAL_01 = '0,
  parameter logic [319:0] INITVAL_02 = '0, parameter logic [319:0] INITVAL_03 = '0,
  parameter logic [319:0] INITVAL_04 = '0, parameter logic [319:0] INITVAL_05 = '0,
  parameter logic [319:0] INITVAL_06 = '0, parameter logic [319:0] INITVAL_07 = '0,
  parameter logic [319:0] INITVAL_08 = '0, parameter logic [319:0] INITVAL_09 = '0,
  parameter logic [319:0] INITVAL_0A = '0, parameter logic [319:0] INITVAL_0B = '0,
  parameter logic [319:0] INITVAL_0C = '0, parameter logic [319:0] INITVAL_0D = '0,
  parameter logic [319:0] INITVAL_0E = '0, parameter logic [319:0] INITVAL_0F = '0,
  parameter logic [319:0] INITVAL_10 = '0, parameter logic [319:0] INITVAL_11 = '0,
  parameter logic [319:0] INITVAL_12 = '0, parameter logic [319:0] INITVAL_13 = '0,
  parameter logic [319:0] INITVAL_14 = '0, parameter logic [319:0] INITVAL_15 = '0,
  parameter logic [319:0] INITVAL_16 = '0, parameter logic [319:0] INITVAL_17 = '0,
  parameter logic [319:0] INITVAL_18 = '0, parameter logic [319:0] INITVAL_19 = '0,
  parameter logic [319:0] INITVAL_1A = '0, parameter logic [319:0] INITVAL_1B = '0,
  parameter logic [319:0] INITVAL_1C = '0, parameter logic [319:0] INITVAL_1D = '0,
  parameter logic [319:0] INITVAL_1E = '0, parameter logic [319:0] INITVAL_1F = '0,
  parameter logic [319:0] INITVAL_20 = '0, parameter logic [319:0] INITVAL_21 = '0,
  parameter logic [319:0] INITVAL_22 = '0, parameter logic [319:0] INITVAL_23 = '0,
  parameter logic [319:0] INITVAL_24 = '0, parameter logic [319:0] INITVAL_25 = '0,
  parameter logic [319:0] INITVAL_26 = '0, parameter logic [319:0] INITVAL_27 = '0,
  parameter logic [319:0] INITVAL_28 = '0, parameter logic [319:0] INITVAL_29 = '0,
  parameter logic [319:0] INITVAL_2A = '0, parameter logic [319:0] INITVAL_2B = '0,
  parameter logic [319:0] INITVAL_2C = '0, parameter logic [319:0] INITVAL_2D = '0,
  parameter logic [319:0] INITVAL_2E = '0, parameter logic [319:0] INITVAL_2F = '0,
  parameter logic [319:0] INITVAL_30 = '0, parameter logic [319:0] INITVAL_31 = '0,
  parameter logic [319:0] INITVAL_32 = '0, parameter logic [319:0] INITVAL_33 = '0,
  parameter logic [319:0] INITVAL_34 = '0, parameter logic [319:0] INITVAL_35 = '0,
  parameter logic [319:0] INITVAL_36 = '0, parameter logic [319:0] INITVAL_37 = '0,
  parameter logic [319:0] INITVAL_38 = '0, parameter logic [319:0] INITVAL_39 = '0,
  parameter logic [319:0] INITVAL_3A = '0, parameter logic [319:0] INITVAL_3B = '0,
  parameter logic [319:0] INITVAL_3C = '0, parameter logic [319:0] INITVAL_3D = '0,
  parameter logic [319:0] INITVAL_3E = '0, parameter logic [319:0] INITVAL_3F = '0,
  parameter int unsigned DATA_WIDTH_A = 18,
  parameter int unsigned DATA_WIDTH_B = 18,
  parameter WRITEMODE_A = "NORMAL",  // what a write reads: nothing; WRITETHROUGH the new word; READBEFOREWRITE the old
  parameter WRITEMODE_B = "NORMAL",
  parameter REGMODE_A = "NOREG",
  parameter REGMODE_B = "NOREG",
  parameter CLKAMUX = "CLKA",
  parameter CLKBMUX = "CLKB",
  parameter CSDECODE_A = "0b000",
  parameter CSDECODE_B = "0b000",
  parameter RESETMODE = "SYNC",
  parameter ASYNC_RESET_RELEASE = "SYNC",
  parameter GSR = "ENABLED"
) (
  input  logic CLKA, CEA, OCEA, RSTA, WEA, CSA0, CSA1, CSA2,
  input  logic ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
  input  logic DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16, DIA17,
  output logic DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16, DOA17,
  input  logic CLKB, CEB, OCEB, RSTB, WEB, CSB0, CSB1, CSB2,
  input  logic ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
  input  logic DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16, DIB17,
  output logic DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16, DOB17
);
  if (CLKAMUX != "CLKA" || CLKBMUX != "CLKB") begin : check_1
    $error("DP16KD: the model has no inverted clock");
  end

  logic [17:0] rows [1024];

  task automatic load(int block, logic [319:0] init);  // 16 rows, 20 bits apart
    for (int r = 0; r < 16; r++) rows[16*block+r] = init[20*r+:18];
  endtask
  initial begin
    load(0, INITVAL_00); load(1, INITVAL_01); load(2, INITVAL_02); load(3, INITVAL_03);
    load(4, INITVAL_04); load(5, INITVAL_05); load(6, INITVAL_06); load(7, INITVAL_07);
    load(8, INITVAL_08); load(9, INITVAL_09); load(10, INITVAL_0A); load(11, INITVAL_0B);
    load(12, INITVAL_0C); load(13, INITVAL_0D); load(14, INITVAL_0E); load(15, INITVAL_0F);
    load(16, INITVAL_10); load(17, INITVAL_11); load(18, INITVAL_12); load(19, INITVAL_13);
    load(20, INITVAL_14); load(21, INITVAL_15); load(22, INITVAL_16); load(23, INITVAL_17);
    load(24, INITVAL_18); load(25, INITVAL_19); load(26, INITVAL_1A); load(27, INITVAL_1B);
    load(28, INITVAL_1C); load(29, INITVAL_1D); load(30, INITVAL_1E); load(31, INITVAL_1F);
    load(32, INITVAL_20); load(33, INITVAL_21); load(34, INITVAL_22); load(35, INITVAL_23);
    load(36, INITVAL_24); load(37, INITVAL_25); load(38, INITVAL_26); load(39, INITVAL_27);
    load(40, INITVAL_28); load(41, INITVAL_29); load(42, INITVAL_2A); load(43, INITVAL_2B);
    load(44, INITVAL_2C); load(45, INITVAL_2D); load(46, INITVAL_2E); load(47, INITVAL_2F);
    load(48, INITVAL_30); load(49, INITVAL_31); load(50, INITVAL_32); load(51, INITVAL_33);
    load(52, INITVAL_34); load(53, INITVAL_35); load(54, INITVAL_36); load(55, INITVAL_37);
    load(56, INITVAL_38); load(57, INITVAL_39); load(58, INITVAL_3A); load(59, INITVAL_3B);
    load(60, INITVAL_3C); load(61, INITVAL_3D); load(62, INITVAL_3E); load(63, INITVAL_3F);
  end

  logic [13:0] address_a, address_b;
  logic [17:0] in_a, in_b;
  logic [17:0] out_a, out_b, high;
  assign address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  assign address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  assign in_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  assign in_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};

  // Narrow words lie in the 16 bits of a row that are left without its bits 8 and 17.

  function automatic logic [17:0] spread(logic [15:0] bits);
    return {1'b0, bits[15:8], 1'b0, bits[7:0]};
  endfunction

  function automatic logic [3:0] start(int unsigned width, logic [13:0] address);
    return address[3:0] & ~4'(width - 1);
  endfunction

  function automatic logic [17:0] part(int unsigned width, logic [13:0] address, logic [17:0] row);
    if (width >= 18) return row;
    if (width == 9) return 18'(address[3] ? row[17:9] : row[8:0]);
    return 18'({row[16:9], row[7:0]} >> start(width, address)) & ((18'd1 << width) - 18'd1);
  endfunction

  function automatic logic [17:0] mask(int unsigned width, logic [13:0] address, logic [1:0] bytes);
    if (width >= 18) return {{9{bytes[1]}}, {9{bytes[0]}}};
    if (width == 9) return address[3] ? 18'h3fe00 : 18'h001ff;
    return spread(((16'd1 << width) - 16'd1) << start(width, address));
  endfunction

  function automatic logic [17:0] placed(int unsigned width, logic [13:0] address, logic [17:0] data);
    if (width >= 18) return data;
    if (width == 9) return {data[8:0], data[8:0]};
    return spread(data[15:0] << start(width, address));
  endfunction

  function automatic logic [17:0] written(
    int unsigned width, logic [13:0] address, logic [1:0] bytes, logic [17:0] data, logic [17:0] row
  );
    automatic logic [17:0] m = mask(width, address, bytes);
    return (row & ~m) | (placed(width, address, data) & m);
  endfunction

  // verilator lint_off MULTIDRIVEN
  logic [9:0] row_a, row_b;
  assign row_a = DATA_WIDTH_A == 36 ? {address_a[13:5], 1'b0} : address_a[13:4];
  assign row_b = DATA_WIDTH_B == 36 ? {address_b[13:5], 1'b0} : address_b[13:4];
  logic [17:0] now_a, now_b;
  assign now_a = written(DATA_WIDTH_A, address_a, address_a[1:0], in_a, rows[row_a]);
  assign now_b = written(DATA_WIDTH_B, address_b, address_b[1:0], in_b, rows[row_b]);

  always @(posedge CLKA) begin
    if (CEA) begin
      if (WEA) rows[row_a] <= now_a;
      if (WEA && DATA_WIDTH_A == 36) rows[row_a|1] <= written(36, address_a, address_a[3:2], in_b, rows[row_a|1]);
      if (!WEA || WRITEMODE_A == "READBEFOREWRITE") out_a <= part(DATA_WIDTH_A, address_a, rows[row_a]);
      else if (WRITEMODE_A == "WRITETHROUGH") out_a <= part(DATA_WIDTH_A, address_a, now_a);
    end
    if (RSTA) out_a <= '0;
  end

  always @(posedge CLKB) begin
    if (CEB) begin
      if (WEB) rows[row_b] <= now_b;
      if (!WEB || WRITEMODE_B == "READBEFOREWRITE") out_b <= part(DATA_WIDTH_B, address_b, rows[row_b]);
      else if (WRITEMODE_B == "WRITETHROUGH") out_b <= part(DATA_WIDTH_B, address_b, now_b);
      high <= rows[row_b|1];
    end
    if (RSTB) {high, out_b} <= '0;
  end
  // verilator lint_on MULTIDRIVEN

  logic [17:0] kept_a, kept_b, kept_high, do_a, do_b, do_high;
  always @(posedge CLKA) if (OCEA) kept_a <= out_a;
  always @(posedge CLKB) if (OCEB) {kept_high, kept_b} <= {high, out_b};
  assign do_a = REGMODE_A == "OUTREG" ? kept_a : out_a;
  assign {do_high, do_b} = REGMODE_B == "OUTREG" ? {kept_high, kept_b} : {high, out_b};

  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} =
    DATA_WIDTH_B == 36 ? do_b : do_a;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} =
    DATA_WIDTH_B == 36 ? do_high : do_b;

  logic unused;
  assign unused = &{CSA0, CSA1, CSA2, CSB0, CSB1, CSB2};
endmodule
